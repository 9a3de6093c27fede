"""`python -m microbot` is the command `microbot`."""

from research.cli import main

if __name__ == "__main__":
    main()
