import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Follows `interventions` and knows what is open. Arguments: brokers, topic, and optionally after how many records to
 * stop.
 *
 * <p>Sequences are kept in memory here and the topic is read from its beginning. A consumer that acts on what it reads
 * keeps them where its effects are, in the same transaction.
 */
public final class OpenInterventions {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Set<String> CLOSED = Set.of("resolved", "expired", "retracted");

  private final Map<String, Integer> sequences = new TreeMap<>();
  private final Map<String, JsonNode> open = new TreeMap<>();

  /** Takes in one record; false when it is a repeat or older than what is known. */
  boolean take(JsonNode record) {
    String id = record.get("intervention_id").asText();
    int sequence = record.get("sequence").asInt();
    if (sequence <= sequences.getOrDefault(id, -1)) {
      return false;
    }
    sequences.put(id, sequence);
    if (CLOSED.contains(record.get("state").asText())) {
      open.remove(id);
    } else {
      open.put(id, record);
    }
    return true;
  }

  public static void main(String[] arguments) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", arguments[0]);
    settings.put("group.id", "open-interventions");
    settings.put("isolation.level", "read_committed");
    settings.put("auto.offset.reset", "earliest");
    settings.put("enable.auto.commit", "false");
    settings.put("key.deserializer", StringDeserializer.class.getName());
    settings.put("value.deserializer", StringDeserializer.class.getName());
    long most = arguments.length > 2 ? Long.parseLong(arguments[2]) : Long.MAX_VALUE;
    OpenInterventions known = new OpenInterventions();
    try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings)) {
      consumer.subscribe(List.of(arguments[1]));
      for (long seen = 0; seen < most; ) {
        for (ConsumerRecord<String, String> message : consumer.poll(Duration.ofSeconds(1))) {
          seen++;
          JsonNode record = JSON.readTree(message.value());
          if (known.take(record) && !"none".equals(record.get("delivery").asText())) {
            System.out.printf(
                "%s to %s: %s%n",
                record.get("delivery").asText(),
                record.get("audience").asText(),
                record.get("summary").asText());
          }
        }
      }
    }
    known.sequences.forEach(
        (id, sequence) ->
            System.out.printf("%s %d %s%n", id, sequence, known.open.containsKey(id) ? "open" : "closed"));
  }
}
