"""Stands in. A clock you move, a real chain on demand, a strict proxy before it, a fake node that behaves."""
