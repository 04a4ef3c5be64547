// Letters counted by what they have in common.
import { sql, type Kysely } from "kysely";
import { filterCondition, type LetterFilter } from "./filter.ts";

export type CountedBy = "total" | "state" | "consumer" | "type" | "code" | "age";

export interface LetterCount {
  by: CountedBy;
  name: string;
  letters: number;
  oldest: Date | null;
}

/** One pass over the letters, first by all at once, then by each. Without a filter it counts what is not over. */
export function countStatement(filter: LetterFilter | undefined, now: Date) {
  const condition = filter ? filterCondition(filter) : sql`letter.state in ('open', 'redriving')`;
  return sql<LetterCount>`
    with alike as (
      select state, consumer, type_name, code, count(*) as letters, min(first_failure_time) as oldest,
        case
          when first_failure_time > ${now}::timestamptz - interval '1 minute' then '1m'
          when first_failure_time > ${now}::timestamptz - interval '10 minutes' then '10m'
          when first_failure_time > ${now}::timestamptz - interval '1 hour' then '1h'
          when first_failure_time > ${now}::timestamptz - interval '1 day' then '1d'
          else 'older'
        end as age
      from dead_letter letter where ${condition}
      group by state, consumer, type_name, code, age
    )
    select
      case grouping(state, consumer, type_name, code, age)
        when 15 then 'state' when 23 then 'consumer' when 27 then 'type' when 29 then 'code' when 30 then 'age' else 'total'
      end as by,
      coalesce(state, consumer, type_name, code, age, '') as name,
      coalesce(sum(letters), 0)::bigint as letters, min(oldest) as oldest
    from alike
    group by grouping sets ((), (state), (consumer), (type_name), (code), (age))
    order by letters desc, name`;
}

export async function countLetters<Tables>(
  db: Kysely<Tables>,
  filter: LetterFilter | undefined,
  now: Date,
): Promise<LetterCount[]> {
  return (await countStatement(filter, now).execute(db)).rows;
}

/** Open letters of each consumer, for the metrics. */
export async function countOpen<Tables>(db: Kysely<Tables>): Promise<{ consumer: string; letters: number }[]> {
  const read = await sql<{ consumer: string; letters: number }>`
    select consumer, count(*) as letters from dead_letter where state = 'open' group by consumer`.execute(db);
  return read.rows;
}
