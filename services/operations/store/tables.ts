// The schema as kysely sees it. Most statements here are written in SQL and name their own rows.
export interface OperationsTables {
  dead_letter: { letter_id: string };
}
