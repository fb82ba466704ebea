"""``python -m safeload`` is the command ``safeload``."""

from safeload.cli import main
from safeload.cli.search_path import leave_out_working_folder

leave_out_working_folder()

if __name__ == "__main__":
    main()
