// Plays a developer in Argo CD's dashboard: each step waits for what a developer should see, and fails where it does not
// come. Takes the pictures of docs/canary-steps.md on the way. Started by `pictures`, inside of a world.
//
//   node drive.mjs <built dashboard> <git repository> <folder for pictures>
import assert from 'node:assert/strict';
import {chromium} from 'playwright-core';

const [dashboard, repository, pictures] = process.argv.slice(2);
const PLUGIN = {plugin: {name: 'canary-steps@v1'}};
const source = path => ({repoURL: `file://${repository}`, path, targetRevision: 'main'});
const say = text => console.log(`  ${text}`);

async function api(method, path, body) {
    const headers = {'content-type': 'application/json'};
    const answer = await fetch(`${process.env.ARGOCD}/api/v1${path}`, {method, headers, body: body && JSON.stringify(body)});
    const json = await answer.json();
    assert.ok(answer.ok, `${method} ${path}: ${JSON.stringify(json)}`);
    return json;
}

async function until(what, look) {
    for (const end = Date.now() + 90_000; Date.now() < end; await new Promise(done => setTimeout(done, 500))) {
        if (await look()) return;
    }
    assert.fail(`waited for ${what} in vain`);
}

/** An Application, synced as it is in Git. */
async function application(name, sources) {
    const route = {group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', jqPathExpressions: ['.spec.rules[].backendRefs[].weight']};
    const spec = {
        project: 'default',
        destination: {server: 'https://kubernetes.default.svc', namespace: 'shop'},
        ignoreDifferences: [route],
        syncPolicy: {syncOptions: ['CreateNamespace=true', 'RespectIgnoreDifferences=true']},
        ...sources
    };
    await api('POST', '/applications', {metadata: {name, namespace: 'argocd'}, spec});
    await api('POST', `/applications/${name}/sync`, {});
    await healthy(name);
}

const healthy = name =>
    until(`${name} to be synced and healthy`, async () => {
        const {status, operation} = await api('GET', `/applications/${name}?refresh=normal`);
        return !operation && status.sync.status === 'Synced' && status.health.status === 'Healthy';
    });

/** The steps of a live Rollout. */
async function steps(app, rollout) {
    const query = `namespace=shop&resourceName=${rollout}&group=argoproj.io&version=v1alpha1&kind=Rollout`;
    const {manifest} = await api('GET', `/applications/${app}/resource?${query}`);
    return JSON.parse(manifest).spec.strategy.canary.steps;
}

const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']
});
const page = await browser.newPage({viewport: {width: 1360, height: 960}, baseURL: process.env.ARGOCD});
page.setDefaultTimeout(60_000);
// Argo CD serves the files of a dashboard from a folder, but its first page only from within its binary.
await page.route('**/*', route =>
    route.request().resourceType() === 'document' ? route.fulfill({path: `${dashboard}/index.html`}) : route.continue()
);

const open = (app, tab) => page.goto(`/applications/argocd/${app}?node=${encodeURIComponent(`argoproj.io/Application/argocd/${app}/0`)}&tab=${tab}`);
const panel = () => page.locator('.sliding-panel--opened .white-box').filter({hasText: 'PLUGIN'}).last();
const row = title => page.locator('.white-box__details-row').filter({has: page.getByText(title, {exact: true})});
const button = name => page.locator('button').filter({hasText: new RegExp(`^\\s*${name}\\s*$`, 'i'), visible: true}).last();

/** That a parameter is shown with this title and this value. */
async function shows(title, value) {
    await row(title).waitFor();
    assert.equal(await row(title).locator('input').inputValue(), value, title);
}

/** Types values beside titles and presses SAVE. */
async function save(values) {
    await button('Edit').click();
    for (const [title, value] of Object.entries(values)) {
        await row(title).locator('input').fill(value);
    }
    await button('Save').click();
}

/** A picture of what the given elements cover together, with a margin. */
async function picture(name, elements) {
    const margin = 14;
    await page.waitForTimeout(700); // Panels slide in.
    const boxes = await Promise.all(elements.map(element => element.boundingBox()));
    const left = Math.min(...boxes.map(b => b.x)) - margin;
    const top = Math.max(0, Math.min(...boxes.map(b => b.y)) - margin);
    const {width, height} = page.viewportSize();
    const right = Math.min(width, Math.max(...boxes.map(b => b.x + b.width)) + margin);
    const bottom = Math.min(height, Math.max(...boxes.map(b => b.y + b.height)) + margin);
    await page.screenshot({path: `${pictures}/${name}.png`, clip: {x: left, y: top, width: right - left, height: bottom - top}});
}

async function play() {
    await application('shop', {source: {...source('shop'), ...PLUGIN}});
    const inGit = await steps('shop', 'shop');
    await open('shop', 'parameters');
    await shows('all: on, off, git, careful, default, ramp', 'git');
    await shows('billing: blueGreen, no steps', 'git');
    await shows('cart: git, no steps', 'git');
    await shows('shop: git, 6 steps', 'git');
    say('each Rollout is shown with its state');

    await save({'shop: git, 6 steps': '25,puase'});
    const toast = page.locator('.Toastify__toast');
    await toast.getByText('canary/shop: item 2 "puase" is not a step; did you mean "pause"?').waitFor();
    await shows('shop: git, 6 steps', '25,puase');
    await picture('refused', [row('billing: blueGreen, no steps'), row('shop: git, 6 steps'), toast]);
    await toast.locator('.Toastify__close-button').click();
    await button('Cancel').click();
    say('a wrong value is refused, and what was typed stays');

    await save({'shop: git, 6 steps': '25,pause,75,pause:30s,100', 'cart: git, no steps': 'careful', 'search: git, 2 steps': 'off'});
    await shows('shop: 5 steps', '25,pause,75,pause:30s,100');
    await shows('cart: careful, 7 steps', 'careful');
    await shows('search: off', 'off');
    await toast.waitFor({state: 'detached'});
    await picture('parameters', [panel()]);
    say('three choices are saved, and the titles tell what holds');

    await open('shop', 'diff');
    await page.getByText('Compact diff').click();
    const difference = page.locator('.application-component-diff__diff', {hasText: 'Rollout/shop/cart'});
    await difference.getByText('setWeight: 25').waitFor();
    await picture('diff', [difference]);
    say('the difference is the steps');

    await page.goto('/applications/argocd/shop?resource=kind%3ARollout&view=tree');
    await button('Sync').click();
    await button('Synchronize').click();
    await healthy('shop');
    const nodes = page.locator('.application-resource-tree__node--rollout');
    for (const chip of ['own-5-steps', 'careful-7-steps', 'steps-off']) {
        await nodes.getByText(chip).waitFor();
    }
    assert.equal((await steps('shop', 'shop')).length, 5);
    assert.equal(await steps('shop', 'search'), undefined);
    await picture('tree', await nodes.all());
    say('synced: the live Rollouts have them, and chips tell of it');

    await button('History and rollback').click();
    const entries = page.locator('.application-deployment-history__item');
    await entries.first().getByText('Source Parameters').click();
    await row('shop: 5 steps').waitFor();
    await picture('history', [entries.first()]);
    await entries.last().locator('.fa-ellipsis-v').click();
    await page.getByText('Rollback', {exact: true}).last().click();
    await button('OK').click();
    await until('the steps as in Git', async () => JSON.stringify(await steps('shop', 'shop')) === JSON.stringify(inGit));
    await open('shop', 'parameters');
    await shows('shop: 5 steps', '25,pause,75,pause:30s,100');
    say('the history has each choice; rolling back brings the steps of the first sync back, and leaves what was typed');

    await elsewhere();
}

/** Several sources, no Rollouts, a value whose Rollout is gone. */
async function elsewhere() {
    await application('lone', {sources: [source('config'), {...source('lone'), ...PLUGIN}]});
    await open('lone', 'parameters');
    await page.locator('.editable-panel__collapsible-button__override').last().click();
    await shows('lone: git, 2 steps', 'git');
    await save({'lone: git, 2 steps': 'ramp'});
    await shows('lone: ramp, 5 steps', 'ramp');
    await save({'lone: ramp, 5 steps': 'on @v2'});
    await shows('lone: off, image is not v2', 'on @v2');
    say('SOURCES shows and takes values, too');

    await application('none', {source: {...source('config'), ...PLUGIN}});
    await open('none', 'parameters');
    await shows('all: no canary Rollout here', 'git');
    await save({'all: no canary Rollout here': 'on'});
    await shows('all: no canary Rollout here', 'on');
    say('an Application without Rollouts says so');

    const parameters = [{name: 'canary/old', string: 'careful'}];
    await application('gone', {source: {...source('gone'), plugin: {...PLUGIN.plugin, parameters}}});
    await open('gone', 'parameters');
    await shows('old: gone; Reset removes it', 'careful');
    await button('Edit').click();
    await row('old: gone; Reset removes it').locator('button').click();
    await button('Save').click();
    await row('old: gone; Reset removes it').waitFor({state: 'detached'});
    say('a value whose Rollout is gone can be reset');
}

try {
    await play();
} catch (error) {
    await page.screenshot({path: `${repository}.failed.png`});
    console.error(`failed; see ${repository}.failed.png`);
    throw error;
} finally {
    await browser.close();
}
