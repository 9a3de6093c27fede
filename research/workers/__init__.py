"""Who does the work of a sweep: this thread, threads, processes or a cluster, with the same results from each."""
