"""`python -m service` is the command line, where `microbot` itself is not on the path."""

from service.cli import main

main()
