module serinus.dev/interop/gob

go 1.24
