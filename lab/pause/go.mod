module ephemera/lab/pause

go 1.24
