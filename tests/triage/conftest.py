import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "autogen"))
sys.path.insert(0, str(Path(__file__).parent.parent / "prompts"))  # its local server
