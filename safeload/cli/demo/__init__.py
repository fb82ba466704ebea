"""``safeload demo``: sign and load a real model, then attack it."""

from safeload.cli.demo.command import demo

__all__ = ["demo"]
