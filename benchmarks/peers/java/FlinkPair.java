import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.Arrays;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** The pair job on a local Flink cluster, parallelism 1: Kafka source, keyed state on the heap, checkpoints on disk. */
public class FlinkPair {
  static final JsonFactory JSON = new JsonFactory();

  /** Pair, event, rating, time. */
  public static class Decoder implements KafkaRecordDeserializationSchema<Tuple4<String, String, Integer, String>> {
    @Override
    public void deserialize(
        ConsumerRecord<byte[], byte[]> record, Collector<Tuple4<String, String, Integer, String>> out)
        throws IOException {
      String event = null, at = null, pair = null;
      int rating = 0;
      try (JsonParser parser = JSON.createParser(record.value())) {
        parser.nextToken();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
          String name = parser.getCurrentName();
          parser.nextToken();
          switch (name) {
            case "event_id" -> event = parser.getText();
            case "pair_id" -> pair = parser.getText();
            case "rating" -> rating = parser.getIntValue();
            case "occurred_at" -> at = parser.getText();
            default -> parser.skipChildren();
          }
        }
      }
      out.collect(Tuple4.of(pair, event, rating, at));
    }

    @Override
    public TypeInformation<Tuple4<String, String, Integer, String>> getProducedType() {
      return Types.TUPLE(Types.STRING, Types.STRING, Types.INT, Types.STRING);
    }
  }

  /** State: count, sum, the last five ratings, the last time. */
  public static class Rule extends KeyedProcessFunction<String, Tuple4<String, String, Integer, String>, String> {
    private transient ValueState<Tuple4<Integer, Long, int[], String>> pairs;

    @Override
    public void open(OpenContext context) {
      TypeInformation<Tuple4<Integer, Long, int[], String>> type =
          Types.TUPLE(Types.INT, Types.LONG, Types.PRIMITIVE_ARRAY(Types.INT), Types.STRING);
      pairs = getRuntimeContext().getState(new ValueStateDescriptor<>("pairs", type));
    }

    @Override
    public void processElement(Tuple4<String, String, Integer, String> fact, Context context, Collector<String> out)
        throws Exception {
      var pair = pairs.value();
      int rating = fact.f2;
      int[] last = new int[] {rating};
      if (pair != null) {
        int[] old = pair.f2;
        int from = old.length < 5 ? 0 : 1;
        last = Arrays.copyOfRange(old, from, old.length + 1);
        last[last.length - 1] = rating;
      }
      pair = pair == null
          ? Tuple4.of(1, (long) rating, last, fact.f3)
          : Tuple4.of(pair.f0 + 1, pair.f1 + rating, last, fact.f3);
      pairs.update(pair);
      if (rating <= 2) out.collect(output(fact, pair));
    }
  }

  static String output(Tuple4<String, String, Integer, String> fact, Tuple4<Integer, Long, int[], String> pair) {
    StringBuilder out = new StringBuilder(200);
    out.append("{\"event_id\":\"").append(fact.f1).append("\",\"pair_id\":\"").append(fact.f0);
    out.append("\",\"rating\":").append(fact.f2).append(",\"count\":").append(pair.f0);
    out.append(",\"sum\":").append(pair.f1).append(",\"last\":[");
    for (int place = 0; place < pair.f2.length; place++) out.append(place == 0 ? "" : ",").append(pair.f2[place]);
    return out.append("],\"at\":\"").append(pair.f3).append("\"}").toString();
  }

  public static void main(String[] arguments) throws Exception {
    var given = System.getenv();
    Configuration settings = new Configuration();
    settings.setString("state.backend.type", "hashmap");
    settings.setString("execution.checkpointing.dir", "file://" + given.get("STATE_DIR"));
    settings.setString("taskmanager.numberOfTaskSlots", "1");
    StreamExecutionEnvironment flow = StreamExecutionEnvironment.createLocalEnvironment(1, settings);
    flow.enableCheckpointing(10_000);
    var source = KafkaSource.<Tuple4<String, String, Integer, String>>builder()
        .setBootstrapServers(given.get("BROKERS"))
        .setTopics(given.get("IN_TOPIC"))
        .setGroupId(given.get("RUN_ID"))
        .setStartingOffsets(OffsetsInitializer.earliest())
        .setDeserializer(new Decoder())
        .build();
    var serializer = KafkaRecordSerializationSchema.<String>builder()
        .setTopic(given.get("OUT_TOPIC"))
        .setValueSerializationSchema(new SimpleStringSchema())
        .build();
    var sink = KafkaSink.<String>builder()
        .setBootstrapServers(given.get("BROKERS"))
        .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
        .setRecordSerializer(serializer)
        .build();
    flow.fromSource(source, WatermarkStrategy.noWatermarks(), "in")
        .keyBy(fact -> fact.f0, Types.STRING)
        .process(new Rule())
        .sinkTo(sink);
    flow.execute("pairs");
  }
}
