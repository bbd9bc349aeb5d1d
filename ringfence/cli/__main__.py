"""`python -m ringfence.cli`: the command line where no command is installed."""

from ringfence.cli.main import script

if __name__ == "__main__":
    script()
