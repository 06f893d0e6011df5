module ephemera/test-tool

go 1.24
