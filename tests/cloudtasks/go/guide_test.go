package client

import (
	"testing"

	cloudtasks "cloud.google.com/go/cloudtasks/apiv2"
	taskspb "cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// The client is made as docs/guides/cloud-tasks.md shows; test_guide.py compares the two.
func TestGuide(t *testing.T) {
	client, err := cloudtasks.NewClient(ctx, option.WithEndpoint(deferd), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	must(t, err)
	defer client.Close()
	name := makeQueue(t, client, &taskspb.Queue{})
	queue, err := client.GetQueue(ctx, &taskspb.GetQueueRequest{Name: name})
	must(t, err)
	if queue.Name != name {
		t.Errorf("the queue %s came back as %s", name, queue.Name)
	}
}
