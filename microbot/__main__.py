"""`python -m microbot` is the command `microbot`."""

from microbot_start import main

if __name__ == "__main__":
    main()
