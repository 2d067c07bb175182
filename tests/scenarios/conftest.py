from tests.every_calculation import tested_as_stored

__all__ = ["tested_as_stored"]
