"""``safeload demo``: the whole story on real data, attacks included."""

from safeload.cli.demo.command import demo

__all__ = ["demo"]
