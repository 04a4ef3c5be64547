// Reading, replacing and previewing templates.
import { create } from "@bufbuild/protobuf";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import {
  NotificationTemplateSchema,
  TemplateContentSchema,
  type TemplateContent,
} from "#gen/ordermesh/notifications/v1/notification_pb.ts";
import type { NotificationsService } from "#gen/ordermesh/notifications/v1/notifications_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { defaultTemplates, templateInForce, type Template, type TemplateKey } from "../domain/default-templates.ts";
import { channels, facts, sampleOf } from "../domain/facts.ts";
import { problemsOf, render, type Content } from "../domain/render.ts";
import { deleteTemplate, findTemplates, readTemplates, saveTemplate } from "../store/templates.ts";
import type { NotificationsTables } from "../store/tables.ts";
import { templateMessage } from "./messages.ts";

/** Beside those that ordermesh brings. */
const templatesMax = 300;

type Methods = Pick<
  ServiceImpl<typeof NotificationsService>,
  "listTemplates" | "getTemplate" | "putTemplate" | "deleteTemplate" | "previewTemplate"
>;
type Asked = Record<keyof TemplateKey, string>;

export function templateMethods({ db, transaction, clock }: ServiceRuntime<NotificationsTables>): Methods {
  const inForce = async (key: TemplateKey): Promise<Template> => {
    const languages = [key.language];
    const own = await findTemplates(db, { tenant: currentRequest().tenant, ...key, languages });
    const template = templateInForce({ ...key, languages }, own);
    if (!template) throw templateNotFound(key);
    return template;
  };
  return {
    listTemplates: async () => {
      const own = await readTemplates(db, currentRequest().tenant);
      const byName = new Map([...defaultTemplates(), ...own].map((template) => [nameOf(template), template]));
      return { templates: [...byName.values()].toSorted(inOrder).map(templateMessage) };
    },

    getTemplate: async (request) => ({ template: templateMessage(await inForce(keyOf(request))) }),

    putTemplate: async (request) => {
      const { tenant } = currentRequest();
      const key = keyOf(request);
      const content = goodContent(request.content, key);
      const template = { ...key, content, replaceTime: clock.now() };
      await transaction(async (tx) => {
        const before = (await findTemplates(tx, { tenant, ...key, languages: [key.language] }))[0];
        if (!(await saveTemplate(tx, tenant, { template, templatesMax }))) {
          const message = `the shop has ${templatesMax} templates of its own already, delete one first`;
          throw refuse(Code.ResourceExhausted, "TOO_MANY_TEMPLATES", message, { templatesMax: String(templatesMax) });
        }
        // A repeat differs by its time alone, and leaves no entry.
        const sides = before ? { before: shownTemplate(before) } : {};
        await recordChange(tx, { resource: resourceOf(key), ...sides, after: shownTemplate(template) });
      });
      return { template: templateMessage(template) };
    },

    deleteTemplate: async (request) => {
      const key = keyOf(request);
      await transaction(async (tx) => {
        const before = await deleteTemplate(tx, currentRequest().tenant, key);
        if (!before) throw templateNotFound(key);
        await recordChange(tx, { resource: resourceOf(key), before: shownTemplate(before) });
      });
      return {};
    },

    previewTemplate: async (request) => {
      const key = keyOf(request);
      const content = request.content ? goodContent(request.content, key) : (await inForce(key)).content;
      return { preview: render(content, sampleOf(key.language)) };
    },
  };
}

/** The contract has let nothing else through. */
function keyOf({ fact, language, channel }: Asked): TemplateKey {
  const known = { fact: facts.find((each) => each === fact), channel: channels.find((each) => each === channel) };
  if (!known.fact || !known.channel) throw new Error("a request for no fact or channel passed validation");
  return { fact: known.fact, channel: known.channel, language };
}

function goodContent(given: TemplateContent | undefined, key: TemplateKey): Content {
  const { subject, text, html } = given ?? create(TemplateContentSchema);
  const content = { subject, text, html };
  const problems = problemsOf(content, key);
  const words = Object.entries(problems).map(([field, problem]) => `${field} ${problem}`);
  if (words.length > 0) throw refuse(Code.InvalidArgument, "TEMPLATE_INVALID", words.join("; "), problems);
  return content;
}

const nameOf = ({ fact, language, channel }: TemplateKey): string => `${fact}/${language}/${channel}`;
const resourceOf = (key: TemplateKey) => ({ kind: "notification_template", id: nameOf(key) });
const shownTemplate = (template: Template) =>
  shown(NotificationTemplateSchema, templateMessage({ ...template, replaceTime: null }));

const templateNotFound = (key: TemplateKey) =>
  refuse(Code.NotFound, "TEMPLATE_NOT_FOUND", `there is no such template ${nameOf(key)}`, { ...key });

function inOrder(one: Template, other: Template): number {
  return (
    facts.indexOf(one.fact) - facts.indexOf(other.fact) ||
    channels.indexOf(one.channel) - channels.indexOf(other.channel) ||
    one.language.localeCompare(other.language)
  );
}
