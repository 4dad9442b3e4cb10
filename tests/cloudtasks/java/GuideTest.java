import static org.junit.Assert.assertEquals;

import com.google.api.gax.core.NoCredentialsProvider;
import com.google.api.gax.grpc.InstantiatingGrpcChannelProvider;
import com.google.cloud.tasks.v2.CloudTasksClient;
import com.google.cloud.tasks.v2.CloudTasksSettings;
import com.google.cloud.tasks.v2.LocationName;
import com.google.cloud.tasks.v2.Queue;
import com.google.cloud.tasks.v2.QueueName;
import org.junit.ClassRule;
import org.junit.Test;

/** The client is made as docs/guides/cloud-tasks.md shows; test_guide.py compares the two. */
public class GuideTest {
  @ClassRule public static final Harness server = new Harness();

  @Test
  public void theClientOfTheGuideReachesDeferd() throws Exception {
    String deferd = server.address();
    CloudTasksClient client = CloudTasksClient.create(CloudTasksSettings.newBuilder()
        .setCredentialsProvider(NoCredentialsProvider.create())
        .setTransportChannelProvider(InstantiatingGrpcChannelProvider.newBuilder()
            .setEndpoint(deferd).setChannelConfigurator(channel -> channel.usePlaintext()).build())
        .build());
    try (client) {
      LocationName parent = LocationName.of("guide", "us-central1");
      String name = QueueName.of("guide", "us-central1", "q").toString();
      client.createQueue(parent, Queue.newBuilder().setName(name).build());
      assertEquals(name, client.getQueue(name).getName());
    }
  }
}
