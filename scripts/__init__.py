"""scripts: what make runs. Nothing here is part of what is installed, and install.py needs the standard library only."""
