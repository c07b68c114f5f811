"""The page of an optimisation: what was tried, on which evidence, and what was kept."""
