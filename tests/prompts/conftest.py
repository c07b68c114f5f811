import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # `import prompt_kit`: tests are no package
