"""Experiments of several runs: self-supervised distillation, label efficiency, variants."""
