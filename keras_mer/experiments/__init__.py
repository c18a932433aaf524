"""Experiments of several runs: a chain of stages, few labels, one task learnt in several ways."""
