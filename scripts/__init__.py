"""scripts: what make runs. Nothing here is installed with Panini; install.py needs the standard library only."""
