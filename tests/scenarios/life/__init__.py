"""The life of a company: steps people and time take, and the laws that hold after each."""
