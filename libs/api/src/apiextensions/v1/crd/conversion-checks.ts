import type { CustomResourceConversion } from '../../../../gen/types.ts';
import { checkClientConfig } from '../../../admissionregistration/v1/webhooks.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { dns1035Label } from '../../../validation/names.ts';

const spoken = ['v1', 'v1beta1'];

function checkReviewVersions(versions: readonly string[], at: FieldPath, mustKnow: boolean): void {
  if (!versions.length) return at.required();
  const seen = new Set<string>();
  for (const [i, version] of versions.entries()) {
    if (seen.has(version)) at.at(i).invalid(version, 'duplicate version');
    else at.at(i).matches(version, dns1035Label);
    seen.add(version);
  }
  if (mustKnow && !versions.some((version) => spoken.includes(version))) at.invalid(versions, `must include at least one of ${spoken.join(', ')}`);
}

const isPem = (bundle: string): boolean => /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/.test(Buffer.from(bundle, 'base64').toString('latin1'));

/** Is there a bundle of certificates that cannot be read? */
export function hasBadBundle(conversion: CustomResourceConversion | undefined): boolean {
  const bundle = conversion?.webhook?.clientConfig?.caBundle;
  return bundle !== undefined && bundle !== '' && !isPem(bundle);
}

/** What an update may leave as it was, or what a definition that is not served yet may have. */
export interface ConversionTolerance {
  readonly unknownReviewVersions: boolean;
  readonly badBundle: boolean;
}

/** Named as in upstream's internal form, which has no `webhook` around its fields. */
export function checkConversion(conversion: CustomResourceConversion | undefined, at: FieldPath, tolerance: ConversionTolerance): void {
  if (!conversion) return;
  const { strategy, webhook } = conversion;
  at.child('strategy').requiredOneOf(strategy, ['None', 'Webhook']);
  const [config, reviews] = [at.child('webhookClientConfig'), at.child('conversionReviewVersions')];
  if (strategy !== 'Webhook') {
    if (webhook?.clientConfig) config.forbidden('should not be set when strategy is not set to Webhook');
    if (webhook?.conversionReviewVersions?.length) reviews.forbidden('should not be set when strategy is not set to Webhook');
    return;
  }
  if (!webhook?.clientConfig) config.required('required when strategy is set to Webhook');
  else {
    checkClientConfig(webhook.clientConfig, config);
    if (hasBadBundle(conversion) && !tolerance.badBundle) config.child('caBundle').invalid(webhook.clientConfig.caBundle, 'unable to load root certificates: unable to parse bytes as PEM block');
  }
  checkReviewVersions(webhook?.conversionReviewVersions ?? [], reviews, !tolerance.unknownReviewVersions);
}
