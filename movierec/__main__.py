"""`python -m movierec`; see `command_line`."""

from movierec.command_line import main

if __name__ == "__main__":
    main()
