"""Cases nobody published, each with what a loop in whole fractions says it comes to."""
