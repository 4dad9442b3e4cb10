module deferd/tests/appengine/go

go 1.19

require (
	google.golang.org/appengine v1.6.8
	google.golang.org/appengine/v2 v2.0.6
)

require (
	github.com/golang/protobuf v1.5.2 // indirect
	google.golang.org/protobuf v1.30.0 // indirect
)
