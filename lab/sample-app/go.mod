module ephemera/lab/sample-app

go 1.24
