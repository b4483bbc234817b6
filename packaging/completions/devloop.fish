complete --keep-order --exclusive --command devloop --arguments "(DEVLOOP_COMPLETE=fish devloop -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
