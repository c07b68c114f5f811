"""Credit for other people's prompt optimisers: GEPA (`.gepa`) and DSPy (`.dspy`), each an extra of its own."""
