"""Benchmarks of dicomwire: generated inputs, plain C limits, other toolkits and deterministic guards."""
