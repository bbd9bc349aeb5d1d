"""`python -m ringfence.cli`: the command line where no script is installed; the monitors' exit command uses it."""

from ringfence.cli.main import script

if __name__ == "__main__":
    script()
