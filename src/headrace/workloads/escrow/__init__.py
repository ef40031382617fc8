"""The workload `escrow`: payments locked for jobs, claimed and released in batches."""
