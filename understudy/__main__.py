"""`python -m understudy`: the command line, where its folder of programs is not on the path."""

from understudy.cli import main

if __name__ == "__main__":
    main()
