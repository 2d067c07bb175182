"""Where usage events are kept. One port, one conformance suite."""
