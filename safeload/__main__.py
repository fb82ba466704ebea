"""``python -m safeload`` is the command ``safeload``."""

from safeload.cli import main

if __name__ == "__main__":
    main()
