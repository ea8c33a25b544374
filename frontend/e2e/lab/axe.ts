// axe's opinion of a page.
import axe from 'axe-core';
import type { Page } from 'playwright-core';

/**
 * What is serious or critical on a page, one line each. 'colours' asks only what may change with colours: for a page that
 * was asked about everything in others.
 */
export async function seriousOn(page: Page, about: 'everything' | 'colours'): Promise<string[]> {
  // Once a page, not once a question: it is half a megabyte of script.
  if (!(await page.evaluate<boolean>('"axe" in window'))) await page.evaluate(axe.source);
  const options: axe.RunOptions = {
    resultTypes: ['violations'],
    ...(about === 'colours' && {
      runOnly: { type: 'rule', values: ['color-contrast', 'link-in-text-block'] },
    }),
  };
  return page.evaluate<string[]>(
    `axe.run(document, ${JSON.stringify(options)}).then(({ violations }) => violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, help, nodes }) => id + ': ' + help + ': ' + nodes.map((n) => n.target.join(' ')).join(', ')))`,
  );
}
