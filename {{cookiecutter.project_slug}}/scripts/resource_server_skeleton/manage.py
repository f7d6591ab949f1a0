#!/usr/bin/env python
"""Command line of this service: ``python manage.py help``."""

from service_kit.command_line import main

if __name__ == "__main__":
    main()
