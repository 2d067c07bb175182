"""Published cases through the engine: translation of inputs and outputs, no formulas of its own."""
