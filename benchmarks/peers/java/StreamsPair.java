import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.*;

/** The pair job on Kafka Streams: Processor API, a RocksDB store with cache and changelog, compact binary state. */
public class StreamsPair {
  static final JsonFactory JSON = new JsonFactory();

  /** What is remembered of a pair. */
  static final class Pair {
    int count;
    long sum;
    int kept;
    final int[] last = new int[5];
    String at;
  }

  static final class PairSerde implements Serializer<Pair>, Deserializer<Pair> {
    @Override
    public void close() {}

    @Override
    public void configure(Map<String, ?> settings, boolean isKey) {}

    @Override
    public byte[] serialize(String topic, Pair pair) {
      if (pair == null) return null;
      byte[] at = pair.at.getBytes(StandardCharsets.UTF_8);
      ByteBuffer out = ByteBuffer.allocate(33 + at.length);
      out.putInt(pair.count).putLong(pair.sum).put((byte) pair.kept);
      for (int rating : pair.last) out.putInt(rating);
      return out.put(at).array();
    }

    @Override
    public Pair deserialize(String topic, byte[] bytes) {
      if (bytes == null) return null;
      ByteBuffer in = ByteBuffer.wrap(bytes);
      Pair pair = new Pair();
      pair.count = in.getInt();
      pair.sum = in.getLong();
      pair.kept = in.get();
      for (int place = 0; place < 5; place++) pair.last[place] = in.getInt();
      byte[] at = new byte[in.remaining()];
      in.get(at);
      pair.at = new String(at, StandardCharsets.UTF_8);
      return pair;
    }
  }

  static final class Rule implements Processor<String, byte[], String, byte[]> {
    private KeyValueStore<String, Pair> pairs;
    private ProcessorContext<String, byte[]> context;

    @Override
    public void init(ProcessorContext<String, byte[]> given) {
      context = given;
      pairs = given.getStateStore("pairs");
    }

    @Override
    public void process(Record<String, byte[]> record) {
      String event = null, at = null;
      int rating = 0;
      try (JsonParser parser = JSON.createParser(record.value())) {
        parser.nextToken();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
          String name = parser.currentName();
          parser.nextToken();
          switch (name) {
            case "event_id" -> event = parser.getText();
            case "rating" -> rating = parser.getIntValue();
            case "occurred_at" -> at = parser.getText();
            default -> parser.skipChildren();
          }
        }
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      Pair pair = pairs.get(record.key());
      if (pair == null) pair = new Pair();
      pair.count++;
      pair.sum += rating;
      pair.at = at;
      if (pair.kept < 5) pair.last[pair.kept++] = rating;
      else {
        System.arraycopy(pair.last, 1, pair.last, 0, 4);
        pair.last[4] = rating;
      }
      pairs.put(record.key(), pair);
      if (rating <= 2) context.forward(record.withValue(output(event, record.key(), rating, pair)));
    }
  }

  static byte[] output(String event, String key, int rating, Pair pair) {
    StringBuilder out = new StringBuilder(200);
    out.append("{\"event_id\":\"").append(event).append("\",\"pair_id\":\"").append(key);
    out.append("\",\"rating\":").append(rating).append(",\"count\":").append(pair.count);
    out.append(",\"sum\":").append(pair.sum).append(",\"last\":[");
    for (int place = 0; place < pair.kept; place++) out.append(place == 0 ? "" : ",").append(pair.last[place]);
    out.append("],\"at\":\"").append(pair.at).append("\"}");
    return out.toString().getBytes(StandardCharsets.UTF_8);
  }

  public static void main(String[] arguments) {
    var given = System.getenv();
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, given.get("RUN_ID"));
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, given.get("BROKERS"));
    settings.put(StreamsConfig.STATE_DIR_CONFIG, given.get("STATE_DIR"));
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, given.get("GUARANTEE"));
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, given.get("COMMIT_MS"));
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    PairSerde serde = new PairSerde();
    var store = Stores.persistentKeyValueStore("pairs");
    var pairs = Stores.keyValueStoreBuilder(store, Serdes.String(), Serdes.serdeFrom(serde, serde));
    Topology topology = new Topology();
    topology.addSource("in", new StringDeserializer(), new ByteArrayDeserializer(), given.get("IN_TOPIC"));
    ProcessorSupplier<String, byte[], String, byte[]> rule = Rule::new;
    topology.addProcessor("rule", rule, "in");
    topology.addStateStore(pairs.withCachingEnabled(), "rule");
    topology.addSink("out", given.get("OUT_TOPIC"), new StringSerializer(), new ByteArraySerializer(), "rule");
    KafkaStreams streams = new KafkaStreams(topology, settings);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(4))));
    streams.start();
  }
}
