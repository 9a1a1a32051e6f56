// What the generated dashboards have to be, by the types that Grafana publishes for version 13.
//
// The published types leave options, field configuration and targets of a panel open, because plugins bring them. For
// the three kinds of panel we use they are closed here, so that a misspelt option is an error and not ignored.
import type { Dashboard, DataQuery, DataSourceRef, FieldConfigSource, Panel, RowPanel } from '@grafana/schema';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type {
  FieldConfig as TableFields,
  Options as TableOptions,
} from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type {
  FieldConfig as LineFields,
  Options as LineOptions,
} from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

/** A query to Prometheus; its type left this package for the plugin's, so the fields we use stand here. */
interface PrometheusQuery extends DataQuery {
  expr: string;
  legendFormat: string;
  instant?: boolean;
  range?: boolean;
  format?: 'table' | 'time_series' | 'heatmap';
  datasource: DataSourceRef;
}

type Of<Kind extends string, Options, Fields> = Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
  type: Kind;
  title: string;
  description: string;
  options: Options;
  fieldConfig: FieldConfigSource<Fields>;
  targets: PrometheusQuery[];
};

type OurPanel =
  | Of<'timeseries', LineOptions, LineFields>
  | Of<'stat', Partial<StatOptions>, never>
  | Of<'table', Partial<TableOptions>, TableFields>;

/** Text stands in JSON where the schema has an enumeration of texts. */
type Json<T> = unknown extends T
  ? unknown
  : T extends string
    ? `${T}`
    : T extends object
      ? { [Key in keyof T]: Json<T[Key]> }
      : T;

export type Board = Json<
  Omit<Dashboard, 'panels'> & {
    uid: string;
    title: string;
    panels: (OurPanel | RowPanel)[];
  }
>;
