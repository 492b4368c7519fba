"""``python -m dicomwire``: the command line, same as the installed command ``dicomwire``."""

from dicomwire.cli.__main__ import main

if __name__ == "__main__":
    main()
