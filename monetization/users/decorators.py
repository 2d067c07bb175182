"""Close a page to those who may not see it; apps below this one import it from interface."""

from monetization.interface.access import View, member_required

__all__ = ["View", "member_required"]
