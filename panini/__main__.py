"""`python -m panini`: the command line, where its script is not on PATH."""

import panini.cli

panini.cli.main()
