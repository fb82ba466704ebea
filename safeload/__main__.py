"""Makes ``python -m safeload`` run the command ``safeload``."""

from safeload.cli import leave_out_working_folder, main

leave_out_working_folder()

if __name__ == "__main__":
    main()
