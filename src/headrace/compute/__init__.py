"""Runs compute jobs on this machine, each in a sandbox, and reports about them as an outside engine would.

    engine     which job runs when          run        one job's way, status by status
    algorithm  what a client may ask for    cell       one sandboxed process, from outside
    launcher   its first program, inside    sandbox    bubblewrap: found, tried, and told what to build
    gauge      what a job uses              archive    outputs into one file
    syscalls   what it may not ask of the kernel
    joblog     what it prints, bounded      shelf      what is kept on disk of each job

`engine.LocalEngine` is the door; `core.ports.compute` is what others see of it.
"""
