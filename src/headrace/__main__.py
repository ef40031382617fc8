"""`python -m headrace` is `headrace`."""

from headrace.app.cli import main

main()
